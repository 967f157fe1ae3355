"""A screen that cannot be scored: no responses, and so no curves, scores or bands, but tables all the same."""

from exvivo.responses import scores_schema
from exvivo.responses.screen import score_responses
from exvivo.sheets import load_config
from exvivo.tables import BANDS, CURVES, RESPONSES, conform


def test_no_responses_make_empty_tables():
    nothing = RESPONSES.empty_table().to_pandas()
    curves, scores, bands = score_responses(nothing, load_config({})["scoring"], contrasts={})
    for frame, schema in ((curves, CURVES), (scores, scores_schema(scores)), (bands, BANDS)):
        assert len(conform(frame, schema, where="test")) == 0
