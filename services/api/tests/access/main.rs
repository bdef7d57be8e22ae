//! Signing in, tokens, people: the api as a whole with real PostgreSQL and HTTP, and those who try to get in.

mod attacks;
mod oidc;
mod people;
mod server;
