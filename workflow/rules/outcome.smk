# What a run says at its end: the jobs that were given up, why, and what to do; logs/failures.json says the same.

from exvivo import failures


onsuccess:
    failures.record([], log[0])


onerror:
    given_up = failures.given_up(workflow.scheduler.failed)
    failed = failures.explain(given_up, run=log[0])
    failures.record(failed, log[0])
    if failed:
        logger.error("\n" + failures.as_text(failed) + "\n")
