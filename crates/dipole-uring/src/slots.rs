//! A table whose keys are never reused for another value: index and generation.

/// Names a value of a [`Slots`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// As one number.
    pub(crate) fn bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// Its place in the table: of one value at a time.
    pub(crate) fn index(self) -> usize {
        self.index as usize
    }

    /// From [`bits`](Self::bits); a number that never was a key finds nothing.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

/// Values under keys.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    /// Beside the values, so that these lie as they are aligned.
    generations: Vec<u32>,
    values: Vec<Option<T>>,
    vacant: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { generations: Vec::new(), values: Vec::new(), vacant: Vec::new() }
    }
}

impl<T> Slots<T> {
    pub(crate) fn len(&self) -> usize {
        self.values.len() - self.vacant.len()
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        if let Some(index) = self.vacant.pop() {
            self.values[index as usize] = Some(value);
            return Key { index, generation: self.generations[index as usize] };
        }
        let index = u32::try_from(self.values.len()).expect("descriptors run out before");
        self.generations.push(0);
        self.values.push(Some(value));
        Key { index, generation: 0 }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let generation = *self.generations.get(key.index())?;
        if generation == key.generation { self.at_mut(key.index()) } else { None }
    }

    /// The value that is at a place now.
    #[inline]
    pub(crate) fn at_mut(&mut self, index: usize) -> Option<&mut T> {
        self.values.get_mut(index)?.as_mut()
    }

    /// Where the value of a key is, or was: for whoever wants it in the cache.
    #[inline]
    pub(crate) fn place(&self, key: Key) -> Option<&Option<T>> {
        self.values.get(key.index())
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let generation = self.generations.get_mut(key.index())?;
        if *generation != key.generation {
            return None;
        }
        let value = self.values[key.index()].take()?;
        *generation = generation.wrapping_add(1);
        self.vacant.push(key.index);
        Some(value)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        let places = (0..).zip(&self.generations).zip(&self.values);
        let taken = places.filter(|(_, value)| value.is_some());
        taken.map(|((index, &generation), _)| Key { index, generation })
    }
}
