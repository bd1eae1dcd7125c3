"""Work for several processes: a driver that hands tasks out, and what carries them out here or on other machines."""
