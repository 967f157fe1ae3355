"""Deep morphology: networks that call single cells cancer or healthy, trained on weak labels of markers."""
