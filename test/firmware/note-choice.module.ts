// The choice of notes as a test sees it.
import { candidate, chooseNotes, daysAreFewest } from "../../firmware/money-module/note-choice";

export { chooseNotes, daysAreFewest };

export function setCandidate(i: u32, residual: u64, hops: u32, days: u32, index: u32): void {
  const note = candidate(i);
  note.residual = residual;
  note.part = 0xdddddddd;
  note.hops = hops;
  note.days = days;
  note.index = index;
}
export function part(i: u32): u64 {
  return candidate(i).part;
}
export function index(i: u32): u32 {
  return candidate(i).index;
}
