import { state, STATE_BYTES } from "../../firmware/lib/store/state";

export * from "../../firmware/lib/store";

export function stateAddress(): usize {
  return changetype<usize>(state);
}

export function stateBytes(): i32 {
  return STATE_BYTES;
}
