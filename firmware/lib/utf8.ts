/** Well-formed UTF-8 (Unicode standard, table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF. */

/** Bytes of the well-formed sequence at `p`, of which `left` bytes may be read; 0 when there is none. */
function sequence(p: usize, left: u32): u32 {
  const first: u32 = load<u8>(p);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length: u32 = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length > left) return 0;
  // Only the second byte has a narrower range, and only after these four.
  const second: u32 = load<u8>(p, 1);
  const lowest: u32 = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const highest: u32 = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (second < lowest || second > highest) return 0;
  for (let i: u32 = 2; i < length; i++) {
    if ((load<u8>(p + i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

export function utf8Valid(p: usize, length: u32): bool {
  let at: u32 = 0;
  while (at < length) {
    const step = sequence(p + at, length - at);
    if (step == 0) return false;
    at += step;
  }
  return true;
}
