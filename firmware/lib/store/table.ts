/** The index in RAM: which record lies where. */

import { STORE_RECORDS_MAX } from "../../protocol/limits";
import { ENTRY_HEADER_BYTES, PLACE_LENGTH_BITS } from "./layout";
import { INDEX, INDEX_ENTRY_BYTES, PLACE_NONE, state } from "./state";

// @ts-ignore: decorator
@inline
export function indexKey(position: u32): u32 {
  return load<u32>(INDEX + position * INDEX_ENTRY_BYTES);
}

// @ts-ignore: decorator
@inline
export function indexPlace(position: u32): u32 {
  return load<u32>(INDEX + position * INDEX_ENTRY_BYTES, 4);
}

/** Position of the smallest key that is not less than `key`. */
export function indexLowerBound(key: u32): u32 {
  let low: u32 = 0;
  let high = state.records;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (indexKey(middle) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Where a record lies, or PLACE_NONE. */
export function indexFind(key: u32): u32 {
  const position = indexLowerBound(key);
  return position < state.records && indexKey(position) == key ? indexPlace(position) : PLACE_NONE;
}

/** Makes a change of a transaction count; false when the index has no room. */
export function indexApply(key: u32, place: u32): bool {
  const position = indexLowerBound(key);
  const at = INDEX + position * INDEX_ENTRY_BYTES;
  const behind = INDEX + state.records * INDEX_ENTRY_BYTES;
  if (at < behind && indexKey(position) == key) {
    state.liveBytes -= entryBytes(placeLength(indexPlace(position)));
    if (place == PLACE_NONE) {
      memory.copy(at, at + INDEX_ENTRY_BYTES, behind - at - INDEX_ENTRY_BYTES);
      state.records--;
      return true;
    }
  } else {
    if (place == PLACE_NONE) return true;
    if (state.records == STORE_RECORDS_MAX) return false;
    memory.copy(at + INDEX_ENTRY_BYTES, at, behind - at);
    state.records++;
  }
  store<u32>(at, key);
  store<u32>(at, place, 4);
  state.liveBytes += entryBytes(placeLength(place));
  return true;
}

export function placeAt(address: u32, length: u32): u32 {
  return ((address >> state.unitShift) << PLACE_LENGTH_BITS) | length;
}

export function placeAddress(place: u32): u32 {
  return (place >> PLACE_LENGTH_BITS) << state.unitShift;
}

export function placeLength(place: u32): u32 {
  return place & ((1 << PLACE_LENGTH_BITS) - 1);
}

/** Bytes in flash of a record whose value has this length. */
export function entryBytes(length: u32): u32 {
  const unit: u32 = 1 << state.unitShift;
  return (<u32>ENTRY_HEADER_BYTES + length + unit - 1) & ~(unit - 1);
}
