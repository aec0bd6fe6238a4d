/* Of ESP-IDF 5.x, FreeRTOS: what the board uses. NULL is the task that calls. */
#pragma once

#include "freertos/FreeRTOS.h"

typedef struct tskTaskControlBlock *TaskHandle_t;

void vTaskPrioritySet(TaskHandle_t task, UBaseType_t priority);
