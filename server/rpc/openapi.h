/*
 * The description of POST /api/<method> that programs read: OpenAPI 3.0.3 (spec.openapis.org),
 * made from the method table as share/doc/api.md is.
 */
#pragma once

char *rpc_openapi(void); /* JSON with line ends (owned) */
