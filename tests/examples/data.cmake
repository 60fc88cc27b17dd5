# cmake -DARCHIVE=<data/cifar10-sample.tar.gz> -DWORK_DIR=<scratch> -P data.cmake
# Empties the scratch folder and puts photos/ there, with two classes of ten images, for the examples to train on.
file(REMOVE_RECURSE ${WORK_DIR})
file(ARCHIVE_EXTRACT INPUT ${ARCHIVE} DESTINATION ${WORK_DIR}
  PATTERNS train/airplane/00* train/automobile/00*)
file(RENAME ${WORK_DIR}/train ${WORK_DIR}/photos)
