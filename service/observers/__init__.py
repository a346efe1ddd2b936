"""The observers of answers: live check, shadow, skew probe and prediction log. No answer waits for them."""
