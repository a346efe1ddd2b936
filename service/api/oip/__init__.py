"""The handlers of the Open Inference Protocol, for clients of other servers."""
