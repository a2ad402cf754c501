"""Where every part is built and handed to those that need it: nothing else knows them all."""
