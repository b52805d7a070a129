//! From a configuration file to a running node, and back down.
