//! Tests of the catalogue and of the judge as a whole.

mod fixtures;
mod judge;
mod script;
