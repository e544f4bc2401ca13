//! Networks of hundreds of nodes under virtual time, with an oracle looking on.
//!
//! Each test is a world that grows from a seed. `SIM_SEED=7 cargo test --test sim name` runs it
//! with another seed; a failure prints the seed to run it again with.

mod bad_network;
mod churn;
mod clock;
mod congestion;
mod diversity;
mod growth;
mod hand_over;
mod hostile;
mod hostile_fifth;
mod listen;
mod lookup;
mod overload;
mod permanent;
mod put_get;
mod replay;
mod restart;
mod secure;
mod world;
mod worlds;
