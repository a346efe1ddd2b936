"""Who hears of answers: the live check, the shadow, the skew probe and the prediction log. No answer waits for them."""
