"""The pages for people: ask, see how each stage ranks, judge; and the state of a collection."""
