//! Which of some things were moved.

/// The places of the fewest numbers whose removal leaves the rest rising.
pub(super) fn displaced(numbers: &[usize]) -> Vec<usize> {
    // Where the rising rows of each length that end lowest end, and what comes before each number in its row.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(numbers.len());
    for (place, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|end| numbers[*end] < *number);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = place,
            None => ends.push(place),
        }
    }
    let mut rising = vec![false; numbers.len()];
    let mut next = ends.last().copied();
    while let Some(place) = next {
        rising[place] = true;
        next = before[place];
    }
    (0..numbers.len()).filter(|place| !rising[*place]).collect()
}

#[cfg(test)]
mod tests {
    use super::displaced;

    #[test]
    fn only_what_was_moved_is_named() {
        assert!(displaced(&[0, 1, 2, 3]).is_empty());
        assert_eq!(displaced(&[5, 0, 1, 2, 3]), [0]);
        assert_eq!(displaced(&[0, 1, 9, 2, 3]), [2]);
        assert_eq!(displaced(&[0, 2, 1, 3]).len(), 1);
    }
}
