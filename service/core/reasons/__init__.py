"""The reasons why calls fail, by subject: canonical code, a sentence for people, and a hint on what to do."""
