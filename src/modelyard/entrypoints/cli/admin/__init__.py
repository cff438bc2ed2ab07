"""`modelyard admin`: what an operator looks after from the terminal."""
