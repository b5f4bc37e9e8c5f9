/* Verifies one signed document again and again with libxmlsec1, for `amtsbote bench signature`.
 *
 * Arguments: the document; a certificate as PEM; "key" or "certificate". With "key" the public key
 * is taken from the certificate once and KeyInfo is not looked at, with "certificate" the one in
 * KeyInfo is verified against it each time. For each number read from standard input the document
 * is parsed and verified as often, and the nanoseconds of processor time that took are written as
 * one line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <xmlsec/app.h>
#include <xmlsec/crypto.h>
#include <xmlsec/xmldsig.h>
#include <xmlsec/xmlsec.h>
#include <xmlsec/xmltree.h>

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

/* 0 where the signature holds. */
static int verify(const char *octets, long length, xmlSecKeyPtr key, xmlSecKeysMngrPtr manager) {
    int result = 1;
    xmlSecDSigCtxPtr context = NULL;
    xmlNodePtr signature = NULL;
    xmlDocPtr document =
        xmlReadMemory(octets, (int)length, NULL, NULL, XML_PARSE_NONET | XML_PARSE_HUGE);
    if (document != NULL) {
        signature = xmlSecFindNode(xmlDocGetRootElement(document), xmlSecNodeSignature, xmlSecDSigNs);
    }
    if (signature != NULL) context = xmlSecDSigCtxCreate(manager);
    if (context != NULL) {
        if (key != NULL) context->signKey = xmlSecKeyDuplicate(key);
        if (xmlSecDSigCtxVerify(context, signature) == 0
            && context->status == xmlSecDSigStatusSucceeded) {
            result = 0;
        }
        xmlSecDSigCtxDestroy(context);
    }
    if (document != NULL) xmlFreeDoc(document);
    return result;
}

int main(int argc, char **argv) {
    long length = 0;
    unsigned long times = 0;
    char *octets;
    xmlSecKeyPtr key = NULL;
    xmlSecKeysMngrPtr manager = NULL;
    if (argc != 4) return 2;
    octets = read_all(argv[1], &length);
    if (octets == NULL) return 2;
    xmlInitParser();
    if (xmlSecInit() < 0 || xmlSecCryptoAppInit(NULL) < 0 || xmlSecCryptoInit() < 0) return 3;
    if (strcmp(argv[3], "key") == 0) {
        key = xmlSecCryptoAppKeyLoad(argv[2], xmlSecKeyDataFormatCertPem, NULL, NULL, NULL);
        if (key == NULL) return 3;
    } else {
        manager = xmlSecKeysMngrCreate();
        if (manager == NULL || xmlSecCryptoAppDefaultKeysMngrInit(manager) < 0
            || xmlSecCryptoAppKeysMngrCertLoad(manager, argv[2], xmlSecKeyDataFormatPem,
                                               xmlSecKeyDataTypeTrusted) < 0) {
            return 3;
        }
    }
    while (scanf("%lu", &times) == 1) {
        struct timespec begun, ended;
        unsigned long n;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
        for (n = 0; n < times; n++) {
            if (verify(octets, length, key, manager) != 0) return 1;
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
        printf("%lld\n", (long long)(ended.tv_sec - begun.tv_sec) * 1000000000LL
                             + (ended.tv_nsec - begun.tv_nsec));
        fflush(stdout);
    }
    return 0;
}
