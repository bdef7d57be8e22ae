//! The binary as its users meet it: arguments in, output and exit code out.

mod check;
mod client;
mod config;
mod replay;
mod support;
mod template;
mod tls;
mod up;
mod xml;
