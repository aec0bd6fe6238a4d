/**
 * Compiled into every applet, so that the compiler lays down where static data ends. The build puts the two globals
 * themselves, `__data_end` and `__heap_base`, in the place of this export (scripts/firmware/compile.ts): WAMR shrinks linear
 * memory to them.
 */
export function layout(): usize {
  return __data_end ^ __heap_base;
}
