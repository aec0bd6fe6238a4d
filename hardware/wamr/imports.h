/* The platform's functions as imports of applets under WAMR. The table is in `imports.generated.c`. */
#ifndef TALLYSTICK_WAMR_IMPORTS_H
#define TALLYSTICK_WAMR_IMPORTS_H

#include <stdint.h>

#include "wasm/binding.h"
#include "wasm_export.h"

/* What the attachment of each symbol is: the function, with one cell for each of its arguments, in the cell's lower half. */
struct wamr_import {
  uint32_t (*call)(struct w2c_tallystick *applet, const uint64_t *cells);
};

/* All of them (applets.c): the result is put into the first cell. */
void wamr_import(wasm_exec_env_t environment, uint64_t *cells);

/* For wasm_runtime_register_natives_raw. */
extern NativeSymbol wamr_symbols[];
extern const uint32_t wamr_symbols_count;

#endif
