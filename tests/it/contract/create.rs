//! `matrix:create`: what it does, and that a second time there is nothing to do.

use super::rig::Rig;
use insta::assert_snapshot;

#[test]
fn from_nothing() {
    let rig = Rig::new();
    assert_snapshot!(rig.whole("matrix:create matrix --email admin@site.test"));
    let state = rig.state();
    let containers: Vec<_> = state.running("matrix").collect();
    assert_eq!(containers.len(), 1);
    assert_eq!(state.max_mains.into_values().collect::<Vec<_>>(), [1]);
}
