import CPmem
