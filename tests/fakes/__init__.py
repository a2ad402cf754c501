"""Stand-ins for what codara is given from outside: one module for each port."""
