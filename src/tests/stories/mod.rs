//! Journeys through public doors.

mod sign_in;
