"""The library xmlsec (PyPI) as a peer: one process, one command a line, one answer a line.

    verify DOCUMENT CERTIFICATE
    sign DOCUMENT RESULT KEY CERTIFICATE SIGNATURE CANONICALIZATION DIGEST [ID]

Fields are parted by tabs. Keys are PKCS#8 in DER, certificates DER; algorithms are URIs. The
answer is `yes`, or `no` and why. It knows RSA-PSS, which the program xmlsec1 of Debian does not.
"""

import sys

import xmlsec
from lxml import etree

DSIG = "http://www.w3.org/2000/09/xmldsig#"
ENVELOPED = DSIG + "enveloped-signature"


def read(path):
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    tree = etree.parse(path, parser)
    # Without a DTD nobody tells the library which attributes identify elements.
    xmlsec.tree.add_ids(tree.getroot(), ["Id"])
    return tree


def verify(document, certificate):
    tree = read(document)
    found = list(tree.iter("{%s}Signature" % DSIG))
    if not found:
        return "no signature"
    for signature in found:
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_file(certificate, xmlsec.KeyFormat.CERT_DER)
        context.verify(signature)
    return "yes"


def element(parent, name, **attributes):
    return etree.SubElement(parent, "{%s}%s" % (DSIG, name), **attributes)


def sign(document, result, key, certificate, signature, c14n, digest, identifier=None):
    tree = read(document)
    node = etree.SubElement(tree.getroot(), "{%s}Signature" % DSIG, nsmap={None: DSIG})
    info = element(node, "SignedInfo")
    element(info, "CanonicalizationMethod", Algorithm=c14n)
    element(info, "SignatureMethod", Algorithm=signature)
    reference = element(info, "Reference", URI="#" + identifier if identifier else "")
    transforms = element(reference, "Transforms")
    if not identifier:
        element(transforms, "Transform", Algorithm=ENVELOPED)
    element(transforms, "Transform", Algorithm=c14n)
    element(reference, "DigestMethod", Algorithm=digest)
    element(reference, "DigestValue")
    element(node, "SignatureValue")
    element(element(element(node, "KeyInfo"), "X509Data"), "X509Certificate")
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_file(key, xmlsec.KeyFormat.DER)
    context.key.load_cert_from_file(certificate, xmlsec.KeyFormat.CERT_DER)
    context.sign(node)
    tree.write(result, encoding="UTF-8", xml_declaration=True)
    return "yes"


def run(fields):
    command = fields[0]
    if command == "version":
        return "yes xmlsec %s" % xmlsec.__version__
    if command == "verify":
        return verify(*fields[1:])
    if command == "sign":
        return sign(*fields[1:])
    return "no such command"


for line in sys.stdin:
    try:
        answer = run(line.rstrip("\n").split("\t"))
    except Exception as error:
        answer = "no " + " ".join(repr(error).split())
    print(answer, flush=True)
