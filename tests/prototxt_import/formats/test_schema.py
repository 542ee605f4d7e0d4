"""The message classes: field numbers against Caffe's own files, unknown fields, a pool of their own."""

from google.protobuf import descriptor_pool, text_format

from prototxt_import.formats import schema


def test_a_caffemodel_of_caffe_survives_to_the_byte(golden):
    content = (golden / "net/mini_cpm_deploy.caffemodel").read_bytes()
    net = schema.NetParameter.FromString(content)
    assert len(net.layer) == 55 and net.layer[0].type == "Input"
    assert net.SerializeToString() == content


def test_unknown_fields_survive():
    # field 999 of LayerParameter, varint 5, which this schema does not have
    layer = schema.LayerParameter(name="a").SerializeToString() + b"\xb8\x3e\x05"
    net = schema.NetParameter()
    net.layer.append(schema.LayerParameter.FromString(layer))
    assert schema.NetParameter.FromString(net.SerializeToString()).layer[0].SerializeToString() == layer


def test_defaults_of_the_forks_fields():
    transform = schema.TransformationParameter()
    assert (transform.stride, transform.crop_size_x, transform.sigma, transform.sigma_center) == (4, 368, 7, 21)
    assert (transform.num_parts, transform.np_in_lmdb, transform.aug_way) == (14, 16, "rand")
    assert schema.CPMDataParameter().backend == schema.CPMDataParameter.LEVELDB


def test_the_default_pool_stays_free_for_pycaffe():
    try:
        descriptor_pool.Default().FindMessageTypeByName("caffe.NetParameter")
    except KeyError:
        return
    raise AssertionError("caffe.NetParameter is in protobuf's default pool")


def test_forks_fields_join_caffes_messages():
    net = schema.NetParameter()
    layer = 'layer { name: "pool" pooling_param { kernel_size: 3 ceil_mode: false engine: MKL2017 } }'
    text_format.Parse(layer, net)
    pooling = net.layer[0].pooling_param
    assert (pooling.kernel_size[0], pooling.ceil_mode, schema.PoolingParameter().ceil_mode) == (3, False, True)
    assert schema.NetParameter.FromString(net.SerializeToString()) == net


def test_no_number_stands_twice():
    for message in (schema.NetParameter, schema.LayerParameter, schema.PoolingParameter, schema.BNParameter):
        numbers = [field.number for field in message.DESCRIPTOR.fields]
        assert len(set(numbers)) == len(numbers)
