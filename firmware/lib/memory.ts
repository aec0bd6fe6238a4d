/** Comparing and wiping bytes in linear memory. */

/** True when both buffers hold the same bytes. The time taken does not depend on where they differ. */
export function equalConstantTime(a: usize, b: usize, length: u32): bool {
  let difference: u32 = 0;
  for (let i: u32 = 0; i < length; i++) difference |= load<u8>(a + i) ^ load<u8>(b + i);
  return difference == 0;
}

/** True when both buffers hold the same bytes. For public values only: it stops at the first difference. */
export function equal(a: usize, b: usize, length: u32): bool {
  return memory.compare(a, b, length) == 0;
}

/** Overwrites a secret that is no longer needed. */
export function wipe(p: usize, length: u32): void {
  memory.fill(p, 0, length);
}
