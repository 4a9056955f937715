//! Every function of `store`, on both databases.
