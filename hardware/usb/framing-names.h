/*
 * Names of its own for what code of wasm2c expects of its runtime (wasm/wasm-rt.h), included before it wherever the framing's code is
 * compiled: the framing runs on a thread of its own, beside applets, and its traps are not theirs.
 */
#ifndef TALLYSTICK_FRAMING_NAMES_H
#define TALLYSTICK_FRAMING_NAMES_H

#define wasm_rt_call_stack_depth framing_call_stack_depth
#define wasm_rt_trap framing_trap
#define wasm_rt_allocate_memory framing_allocate_memory
#define wasm_rt_free_memory framing_free_memory

#endif
