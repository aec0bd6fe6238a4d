/** Lower-case hexadecimal digits, two for a byte, as certificates write identifiers. */

// @ts-ignore: decorator
@inline
function digit(nibble: u32): u32 {
  return nibble < 10 ? nibble + 0x30 : nibble + 0x57;
}

/** Value of one digit, or -1. Upper case is refused: an identifier has one spelling. */
function value(character: u32): i32 {
  if (character - 0x30 < 10) return character - 0x30;
  if (character - 0x61 < 6) return character - 0x57;
  return -1;
}

/** Writes `2 * length` digits for `length` bytes. */
export function hexWrite(bytes: usize, length: u32, digits: usize): void {
  for (let i: u32 = 0; i < length; i++) {
    const byte: u32 = load<u8>(bytes + i);
    store<u8>(digits + 2 * i, digit(byte >> 4));
    store<u8>(digits + 2 * i + 1, digit(byte & 15));
  }
}

/** Reads `2 * length` digits into `length` bytes; false when one is not a lower-case digit. */
export function hexRead(digits: usize, bytes: usize, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) {
    const high = value(load<u8>(digits + 2 * i));
    const low = value(load<u8>(digits + 2 * i + 1));
    if (high < 0 || low < 0) return false;
    store<u8>(bytes + i, (high << 4) | low);
  }
  return true;
}
