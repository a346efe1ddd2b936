"""The graphs that people export when they make no promise: the weights of the zoo, the usual operators."""

from export.cost.naive.trace import naive_graph

__all__ = ["naive_graph"]
