//! dokku-matrix.
