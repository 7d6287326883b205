"""One file is one generator. `base.py` says what a generator is; `layers.py` holds what several share."""
