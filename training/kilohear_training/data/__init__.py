"""Data sets, folds, and the features cut from them."""
