//! Journeys through public doors.

mod command_line;
mod credit;
mod first_admin;
mod mail;
mod matrix;
mod sessions;
mod sign_in;
