"""`soloist doctor`: what a server would find here, what is wrong with it, and what to do. Each check is a function."""
