"""The vault: credentials and the data keys of users, under one master key."""
