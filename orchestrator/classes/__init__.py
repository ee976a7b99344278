"""A class: machines for every student or group of a roster, and the ways in and out of them."""
