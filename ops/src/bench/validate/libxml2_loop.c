/* Validates documents again and again with libxml2, streaming, for `amtsbote bench validate`.
 *
 * Arguments: "memory" or "file"; the schema; the documents. The schema is read once, and no tree is
 * built. With "memory" the documents are read before the clock starts, with "file" each time anew.
 * For each number read from standard input all documents are validated as often, and the
 * nanoseconds of processor time that took and the number of those not valid are written as one
 * line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>

static void quiet(void *context, const char *message, ...) { (void)context, (void)message; }
/* Whether the error comes as const or not differs between versions; it is not looked at. */
static void structured(void *context, void *error) { (void)context, (void)error; }

static char *read_all(const char *path, long *length) {
    FILE *file = fopen(path, "rb");
    char *octets;
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) return NULL;
    *length = ftell(file);
    rewind(file);
    octets = malloc((size_t)*length + 1);
    if (octets != NULL && fread(octets, 1, (size_t)*length, file) != (size_t)*length) octets = NULL;
    fclose(file);
    return octets;
}

int main(int argc, char **argv) {
    int count = argc - 3, from_memory, n;
    unsigned long times = 0;
    char **octets;
    long *lengths;
    xmlSchemaPtr schema;
    if (count < 1) return 2;
    from_memory = strcmp(argv[1], "memory") == 0;
    xmlSetGenericErrorFunc(NULL, quiet);
    xmlSetStructuredErrorFunc(NULL, (xmlStructuredErrorFunc)structured);
    schema = xmlSchemaParse(xmlSchemaNewParserCtxt(argv[2]));
    if (schema == NULL) return 3;
    octets = calloc((size_t)count, sizeof *octets);
    lengths = calloc((size_t)count, sizeof *lengths);
    if (octets == NULL || lengths == NULL) return 2;
    for (n = 0; n < count && from_memory; n++) {
        octets[n] = read_all(argv[n + 3], &lengths[n]);
        if (octets[n] == NULL) return 2;
    }
    while (scanf("%lu", &times) == 1) {
        struct timespec begun, ended;
        unsigned long turn, invalid = 0;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
        for (turn = 0; turn < times; turn++) {
            for (n = 0; n < count; n++) {
                xmlSchemaValidCtxtPtr context = xmlSchemaNewValidCtxt(schema);
                xmlParserInputBufferPtr input =
                    from_memory ? xmlParserInputBufferCreateMem(octets[n], (int)lengths[n],
                                                                XML_CHAR_ENCODING_NONE)
                                : xmlParserInputBufferCreateFilename(argv[n + 3],
                                                                     XML_CHAR_ENCODING_NONE);
                if (context == NULL || input == NULL) return 1;
                if (xmlSchemaValidateStream(context, input, XML_CHAR_ENCODING_NONE, NULL, NULL)) {
                    invalid++;
                }
                xmlSchemaFreeValidCtxt(context);
            }
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
        printf("%lld %lu\n",
               (long long)(ended.tv_sec - begun.tv_sec) * 1000000000LL
                   + (ended.tv_nsec - begun.tv_nsec),
               invalid);
        fflush(stdout);
    }
    return 0;
}
