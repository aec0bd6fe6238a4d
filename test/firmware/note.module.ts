// Notes as a test sees them.
import { NOTE_VIEW_BYTES, noteRead, NoteView } from "../../firmware/money-module/note";

const VIEW_BYTES_MAX: i32 = 8192;
const view = changetype<NoteView>(memory.data(8192, 8));

export function read(p: usize, n: u32): i32 {
  assert(NOTE_VIEW_BYTES <= <u32>VIEW_BYTES_MAX);
  return noteRead(view, p, n);
}
export function hops(): u32 {
  return view.hops;
}
export function value(): u64 {
  return view.value;
}
