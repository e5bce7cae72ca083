"""`make demo` leaves nothing behind, says what is wrong, and touches no other port than those it was given."""
