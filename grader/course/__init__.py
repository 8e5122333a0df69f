"""What an assignment is, how its two texts are kept in step, and a class made up to try it on."""
