//! [`AppendedResults`]: results in the order in which they end, each appended behind the others.

use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;

use super::moment::Moment;
use super::stored_result::StoredResult;

/// The results of a full chunk. Larger ones take less room, and longer to find a result in.
const CHUNK: usize = 32;

/// Results in the order in which they end, in chunks: eight bytes a result, and one moment a chunk.
#[derive(Default)]
pub(super) struct AppendedResults {
    chunks: VecDeque<Chunk>,
    /// When the last one ends that was appended, though it may be gone.
    last_end: Option<Moment>,
    places: usize,
    /// How many of the places have no result any more.
    gaps: usize,
}

struct Chunk {
    /// When its first one ends.
    end: Moment,
    results: Vec<Option<Arc<StoredResult>>>,
}

impl AppendedResults {
    pub(super) const fn len(&self) -> usize {
        self.places - self.gaps
    }

    /// When the first result ends.
    pub(super) fn first_end(&self) -> Option<Moment> {
        let mut results = self.chunks.iter().flat_map(|chunk| chunk.results.iter().flatten());
        results.next().map(|first| first.until)
    }

    /// Whether a result that ends then belongs behind all others.
    #[inline]
    pub(super) fn may_append(&self, until: Moment) -> bool {
        self.last_end.is_none_or(|last| last <= until)
    }

    #[inline]
    pub(super) fn push(&mut self, result: Arc<StoredResult>) {
        self.last_end = Some(result.until);
        self.places += 1;
        match self.chunks.back_mut().filter(|last| last.results.len() < CHUNK) {
            Some(last) => last.results.push(Some(result)),
            None => self.push_chunk(result),
        }
    }

    fn push_chunk(&mut self, first: Arc<StoredResult>) {
        // Most scopes have few results, and the first chunk grows with them.
        let room = if self.chunks.is_empty() { 1 } else { CHUNK };
        let mut chunk = Chunk { end: first.until, results: Vec::with_capacity(room) };
        chunk.results.push(Some(first));
        self.chunks.push_back(chunk);
    }

    /// Takes a result out, and says whether it was there.
    pub(super) fn remove(&mut self, result: &StoredResult) -> bool {
        let start = self.chunks.partition_point(|chunk| chunk.end < result.until);
        // The last one before may end with results that end then too.
        let mut places = self
            .chunks
            .range_mut(start.saturating_sub(1)..)
            .take_while(|chunk| chunk.end <= result.until)
            .flat_map(|chunk| &mut chunk.results);
        let found =
            places.find(|place| place.as_deref().is_some_and(|there| ptr::eq(there, result)));
        let Some(place) = found else { return false };
        *place = None;
        self.gaps += 1;
        self.close_gaps();
        true
    }

    /// The places that have a result, from the first that ends on.
    pub(super) fn places(&mut self) -> impl Iterator<Item = &mut Option<Arc<StoredResult>>> {
        let places = self.chunks.iter_mut().flat_map(|chunk| &mut chunk.results);
        places.filter(|place| place.is_some())
    }

    /// Notes that so many of [`places`](Self::places) have lost their result.
    pub(super) fn taken(&mut self, count: usize) {
        self.gaps += count;
        self.close_gaps();
    }

    /// Drops the chunks at the front that are empty, and closes all gaps if they are more than the results.
    fn close_gaps(&mut self) {
        while let Some(first) = self.chunks.front() {
            if first.results.iter().any(Option::is_some) {
                break;
            }
            self.gaps -= first.results.len();
            self.places -= first.results.len();
            self.chunks.pop_front();
        }
        if self.chunks.is_empty() {
            self.last_end = None;
        }
        if self.gaps > self.places / 2 {
            let chunks = std::mem::take(self).chunks;
            chunks
                .into_iter()
                .flat_map(|chunk| chunk.results)
                .flatten()
                .for_each(|it| self.push(it));
        }
    }
}

#[cfg(test)]
impl AppendedResults {
    /// The places, and for how many there is room.
    pub(super) fn room(&self) -> (usize, usize) {
        let room = self.chunks.iter().map(|chunk| chunk.results.capacity()).sum::<usize>();
        (self.places, room + self.chunks.capacity())
    }
}
