/* Of ESP-IDF 5.x, FreeRTOS with a tick of 1 ms, as sdkconfig.defaults has it: what the board uses. */
#pragma once

#include <stdint.h>

typedef uint32_t TickType_t;
typedef unsigned int UBaseType_t;

#define portMAX_DELAY ((TickType_t)0xffffffffUL)
#define pdMS_TO_TICKS(ms) ((TickType_t)(ms))
