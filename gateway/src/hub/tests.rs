//! The promises of the hub: several replicas on one log and one bus, and clients that read, stop reading, come and go.

mod backend;
mod client;
mod frames;
mod world;

mod any_plan;
mod attendance;
mod crowds;
mod deletion;
mod echo;
mod faults;
mod joining;
mod leaving;
mod overload;
mod presence;
mod resuming;
mod rings;
mod rooms;
mod signals;
mod threads;
