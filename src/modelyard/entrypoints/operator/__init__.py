"""What operators and their programs ask of a server: is it alive, is it ready, how does it fare."""
