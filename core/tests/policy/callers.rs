//! Who a peer is: the first caller of the file that fits, found without asking each.

use livekit_keyd_core::policy::{CallerIndex, CallerMatch};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Few numbers, so that callers overlap.
fn numbers() -> impl Strategy<Value = Option<Vec<u32>>> {
    option::of(vec(0..6_u32, 1..4))
}

fn fits(CallerMatch { uids, gids }: &CallerMatch, uid: u32, of: &[u32]) -> bool {
    let user = uids.as_ref().is_none_or(|uids| uids.contains(&uid));
    user && gids.as_ref().is_none_or(|gids| gids.iter().any(|gid| of.contains(gid)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_first_that_fits_decides(
        callers in vec((numbers(), numbers()).prop_map(|(uids, gids)| CallerMatch { uids, gids }), 0..8),
        uid in 0..6_u32,
        gids in vec(0..6_u32, 0..4),
    ) {
        let first = callers.iter().position(|caller| fits(caller, uid, &gids));
        prop_assert_eq!(CallerIndex::new(&callers).find(uid, &gids), first);
    }
}
